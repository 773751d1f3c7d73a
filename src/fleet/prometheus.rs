//! Asks a Prometheus, or what has its HTTP API: Thanos, Mimir, VictoriaMetrics. So many
//! questions at most, each with a time limit, and answers of bounded size.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use http::StatusCode;
use ureq::tls::Certificate;
use ureq::tls::PemItem;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

use super::secrets;
use super::secrets::Secrets;
use super::series::Answer;
use super::series::Series;
use super::series::Status;
use crate::attempt::names;
use crate::units;

/// Questions of one report.
const QUESTIONS_MAX: usize = 20;
/// Octets of one answer.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;
/// Time for one answer; less where the report's time is nearly over.
const PATIENCE: Duration = Duration::from_secs(10);
/// Warnings that are told one by one.
const COMPLAINTS_MAX: usize = 10;
/// Characters of a sentence of somebody else's.
const WORDS_MAX: usize = 300;
/// Where systems keep the certificates that they trust: Debian, Fedora, Alpine.
const TRUSTED: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Which Prometheus, and how to be let in.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its address, with a path before `/api/v1` if it has one.
    pub url: String,
    /// Headers.
    pub secrets: Secrets,
    /// Certificates to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// For all questions of a report together.
    pub timeout: Duration,
}

/// The connection, and what went wrong on it.
pub(super) struct Prometheus {
    agent: ureq::Agent,
    /// Without a slash at its end.
    base: String,
    secrets: Secrets,
    until: Instant,
    asked: usize,
    complaints: Vec<String>,
    more_complaints: usize,
}

impl Prometheus {
    pub(super) fn new(source: &Source) -> Result<Self> {
        let base = base(&source.url)?;
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // It could lead a token to somebody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("kerno/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https://") {
            let trusted = RootCerts::Specific(Arc::new(trusted(source.ca_file.as_deref())?));
            config = config.tls_config(TlsConfig::builder().root_certs(trusted).build());
        }
        Ok(Self {
            agent: config.build().into(),
            base,
            secrets: source.secrets.clone(),
            until: Instant::now() + source.timeout,
            asked: 0,
            complaints: Vec::new(),
            more_complaints: 0,
        })
    }

    /// An expression at a moment.
    pub(super) fn at(&mut self, expression: &str, at: SystemTime) -> Result<Vec<Series>> {
        let at = seconds(at);
        self.ask("query", &[("query", expression), ("time", &at)])
    }

    /// … at each step of a time.
    pub(super) fn between(
        &mut self,
        expression: &str,
        (from, to): (SystemTime, SystemTime),
        step: Duration,
    ) -> Result<Vec<Series>> {
        let (from, to) = (seconds(from), seconds(to));
        let step = step.as_secs().max(1).to_string();
        let form = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        self.ask("query_range", &form)
    }

    /// What can be told without an answer is told; why there is none, is a gap.
    pub(super) fn if_told(&mut self, what: &str, answer: Result<Vec<Series>>) -> Vec<Series> {
        answer.unwrap_or_else(|error| {
            self.complain(&format!("{what} could not be asked for: {error:#}"));
            Vec::new()
        })
    }

    /// What was not told, in sentences.
    pub(super) fn complaints(self) -> Vec<String> {
        let mut all = self.complaints;
        if self.more_complaints > 0 {
            all.push(format!(
                "{} more warnings came with the answers",
                self.more_complaints
            ));
        }
        all
    }

    fn complain(&mut self, sentence: &str) {
        if self.complaints.iter().any(|it| it == sentence) {
            return;
        }
        match self.complaints.len() < COMPLAINTS_MAX {
            true => self.complaints.push(sentence.to_owned()),
            false => self.more_complaints += 1,
        }
    }

    fn ask(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Vec<Series>> {
        if self.asked == QUESTIONS_MAX {
            bail!("a report asks {QUESTIONS_MAX} questions at most");
        }
        self.asked += 1;
        let left = self.until.saturating_duration_since(Instant::now());
        let patience = left.min(PATIENCE);
        if patience.is_zero() {
            bail!("the time for this report is over: --timeout gives it more");
        }
        let answer = self.send(path, form, patience)?;
        for warning in &answer.warnings {
            self.complain(&format!("{} warns: {}", self.base, words(warning)));
        }
        if answer.status == Status::Error {
            bail!("{} says: {}", self.base, words(&answer.error));
        }
        let data = answer
            .data
            .ok_or_else(|| anyhow!("{} answers without data", self.base))?;
        Ok(data.series())
    }

    fn send(&self, path: &str, form: &[(&str, &str)], patience: Duration) -> Result<Answer> {
        let base = &self.base;
        let mut request = self.agent.post(format!("{base}/api/v1/{path}"));
        for (name, value) in self.secrets.headers() {
            request = request.header(name, value);
        }
        let limit = format!("{}ms", patience.as_millis());
        let form = form.iter().copied().chain([("timeout", &*limit)]);
        let request = request.config().timeout_global(Some(patience)).build();
        let mut answer = request
            .send_form(form)
            .map_err(|error| told(base, &error, patience))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX)
            .read_to_vec();
        let body = body.map_err(|error| told(base, &error, patience))?;
        read(status, &body).map_err(|why| anyhow!("{base} {why}"))
    }
}

/// An error has a sentence as JSON, if it is Prometheus that answers.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Answer, String> {
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) if status.is_success() || answer.status == Status::Error => Ok(answer),
        // It quotes what was not understood.
        Err(error) if status.is_success() => {
            let error = words(&error.to_string());
            Err(format!("does not answer as Prometheus does: {error}"))
        }
        _ => Err(refused(status.as_u16(), body)),
    }
}

/// What a status means for who asked.
fn refused(status: u16, body: &[u8]) -> String {
    let said = words(&String::from_utf8_lossy(body));
    let said = match said.is_empty() {
        true => String::new(),
        false => format!(": {said}"),
    };
    let remedy = match status {
        401 | 403 => ". Give --token-file, --user with --password-file, or --tenant",
        404 => ". Is there a path before /api/v1, as /prometheus?",
        300..=399 => ". It sends elsewhere: give --prometheus the address that it sends to",
        _ => "",
    };
    format!("answers with HTTP status {status}{said}{remedy}")
}

fn told(base: &str, error: &ureq::Error, patience: Duration) -> anyhow::Error {
    match error {
        ureq::Error::Timeout(_) => anyhow!(
            "{base} did not answer within {}",
            humantime::format_duration(Duration::from_secs(patience.as_secs().max(1)))
        ),
        ureq::Error::BodyExceedsLimit(_) => anyhow!(
            "{base} answers with more than {} MiB: ask for fewer nodes, or a shorter time",
            ANSWER_MAX / (1024 * 1024)
        ),
        error => anyhow!("{base} cannot be asked: {error}"),
    }
}

/// The address, checked: with a scheme, without credentials.
fn base(url: &str) -> Result<String> {
    let parsed: http::Uri = url
        .parse()
        .with_context(|| format!("{url:?} is no address: write it as http://prometheus:9090"))?;
    let scheme = parsed.scheme_str();
    let Some(authority) = parsed
        .authority()
        .filter(|_| matches!(scheme, Some("http" | "https")))
    else {
        bail!("{url:?} does not begin with http:// or https://");
    };
    if authority.as_str().contains('@') {
        // Whoever lists processes sees it.
        bail!("a password does not belong in the address: use --user with --password-file");
    }
    if parsed.query().is_some() {
        bail!("{url:?} has a query: give the part before /api/v1");
    }
    let base = url.split('#').next().unwrap_or(url).trim_end_matches('/');
    Ok(base.strip_suffix("/api/v1").unwrap_or(base).to_owned())
}

fn trusted(ca_file: Option<&Path>) -> Result<Vec<Certificate<'static>>> {
    let system = TRUSTED.iter().map(Path::new).find(|path| path.exists());
    let file = ca_file
        .or(system)
        .context("this system has no list of certificates that it trusts: give --ca-file")?;
    let octets = secrets::read_certificates(file)?;
    let mut all = Vec::new();
    for item in ureq::tls::parse_pem(&octets) {
        match item {
            Ok(PemItem::Certificate(certificate)) => all.push(certificate),
            Ok(_) => {}
            Err(error) => bail!("{} is no file of certificates: {error}", file.display()),
        }
    }
    if all.is_empty() {
        bail!("{} has no certificate (PEM)", file.display());
    }
    Ok(all)
}

fn seconds(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:.3}", since.as_secs_f64())
}

/// Somebody else's sentence: on one line, not too long, and nothing that a terminal obeys.
pub(super) fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    units::shorten(&names::visible(line.as_bytes()), WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked() {
        for (url, expected) in [
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("http://prometheus:9090/", "http://prometheus:9090"),
            ("https://mimir/prometheus/", "https://mimir/prometheus"),
            ("http://[::1]:9090/api/v1", "http://[::1]:9090"),
        ] {
            assert_eq!(base(url).expect(url), expected);
        }
        for nonsense in [
            "",
            "prometheus:9090",
            "prometheus",
            "ftp://prometheus",
            "http://",
            "http://user:secret@prometheus",
            "http://prometheus/api/v1/query?query=up",
            "http://a b",
        ] {
            let error = base(nonsense).expect_err(nonsense).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_terminal_obeys_no_word_of_an_answer() {
        let told = |status, body: &str| read(status, body.as_bytes()).expect_err("no answer");
        let ok = StatusCode::OK;
        assert_eq!(
            told(ok, "{\"status\":\"\\u001b[2J\"}"),
            "does not answer as Prometheus does: unknown variant `\\x1b[2J`, expected `success` or \
             `error` at line 1 column 21"
        );
        let page = told(StatusCode::BAD_GATEWAY, "<b>\u{1b}[2J\n\u{202e}</b>");
        assert!(
            page.ends_with(": <b>\\x1b[2J \\xe2\\x80\\xae</b>"),
            "{page}"
        );
        assert_eq!(words("no\u{7}\n\u{1b}]0;"), "no\\x07 \\x1b]0;");
    }

    #[test]
    fn what_is_refused_has_a_remedy() {
        assert_eq!(
            refused(401, b"no org\n id"),
            "answers with HTTP status 401: no org id. Give --token-file, --user with \
             --password-file, or --tenant"
        );
        assert_eq!(refused(503, b""), "answers with HTTP status 503");
        assert!(refused(500, "x".repeat(10_000).as_bytes()).len() < 400);
    }
}
