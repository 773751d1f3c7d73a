//! Tokens, passwords and headers: from files or the environment, never from the command line.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use base64::prelude::BASE64_STANDARD;
use base64::prelude::Engine as _;

/// Octets of a file with a secret. Tokens of service accounts have some 1,000.
const SECRET_MAX: u64 = 64 * 1024;
/// Octets of a file with certificates. Debian's has 220,000.
const CERTIFICATES_MAX: u64 = 16 * 1024 * 1024;

/// Headers that let a request in. Their values are not shown.
#[derive(Clone, Default)]
pub struct Secrets {
    headers: Vec<(String, String)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Secrets {
    /// A bearer token (RFC 6750).
    pub fn with_token(self, token: &str) -> Result<Self> {
        self.with("Authorization", &format!("Bearer {}", token.trim()))
    }

    /// A user with a password (RFC 7617).
    pub fn with_password(self, user: &str, password: &str) -> Result<Self> {
        if user.contains(':') {
            bail!("a user's name has no colon, so {user:?} cannot be sent");
        }
        let password = password.trim_end_matches(['\r', '\n']);
        let both = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.with("Authorization", &format!("Basic {both}"))
    }

    /// Lines of `Name: value`; empty ones, and comments with `#`, are left out.
    pub fn with_lines(mut self, text: &str) -> Result<Self> {
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line may be a secret: it is not told.
            let Some((name, value)) = line.split_once(':') else {
                bail!("a line of the headers has no colon: write `Name: value`");
            };
            self = self.with(name.trim(), value.trim())?;
        }
        Ok(self)
    }

    /// One header.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self> {
        let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !is_name || http::HeaderValue::from_str(value).is_err() {
            bail!("the header {name:?} has octets that no header can have");
        }
        let is_new = !self
            .headers
            .iter()
            .any(|(has, _)| has.eq_ignore_ascii_case(name));
        if !is_new {
            bail!("the header {name} is given twice: choose one way to say who asks");
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// The text of a file with a secret.
pub fn read(path: &Path) -> Result<String> {
    let text = read_bounded(path, SECRET_MAX)?;
    String::from_utf8(text).with_context(|| format!("{} is no text", path.display()))
}

/// The octets of a file with certificates.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    read_bounded(path, CERTIFICATES_MAX)
}

fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut octets = Vec::new();
    file.take(max + 1)
        .read_to_end(&mut octets)
        .with_context(|| format!("cannot read {shown}"))?;
    if octets.len() as u64 > max {
        bail!("{shown} is larger than {max} octets");
    }
    Ok(octets)
}
