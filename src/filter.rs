//! Which attempts a user wants to see.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::base::iana::OptRcode;

use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Identity;
use crate::attempt::Role;
use crate::shell::Command;

/// The filters of `doctor` and `watch`; the default lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only queries of the process with this id.
    pub pid: Option<u32>,
    /// Only queries of processes with this name.
    pub comm: Option<Comm>,
    /// Only queries for these names.
    pub name: Option<NameGlob>,
    /// Only this end; `None` for both.
    pub role: Option<Role>,
    /// Only what was not answered with NOERROR or NXDOMAIN.
    pub failed: bool,
    /// Only what took longer, answered or not.
    pub slower_than: Option<Duration>,
    /// Only queries of this pod.
    pub pod: Option<PodFilter>,
    /// Only queries of the container with this name or id.
    pub container: Option<String>,
    /// Only queries of this systemd unit.
    pub unit: Option<String>,
}

impl Filter {
    /// Whether everything is wanted.
    pub fn is_all(&self) -> bool {
        let Self {
            pid: None,
            comm: None,
            name: None,
            role: None,
            failed: false,
            slower_than: None,
            pod: None,
            container: None,
            unit: None,
        } = self
        else {
            return false;
        };
        true
    }

    /// The options that make it, as they are written in a shell. `None` if everything is wanted.
    /// A value that cannot stand in a command is `…`.
    pub fn options(&self) -> Option<String> {
        let role = |role| match role {
            Role::Client => "client",
            Role::Server => "server",
        };
        let options = [
            ("--pid", self.pid.map(|it| it.to_string())),
            ("--comm", self.comm.map(|it| it.to_string())),
            ("--name", self.name.as_ref().map(NameGlob::to_string)),
            ("--role", self.role.map(|it| role(it).to_owned())),
            (
                "--slower-than",
                self.slower_than
                    .map(|it| humantime::format_duration(it).to_string().replace(' ', "")),
            ),
            (
                "--pod",
                self.pod
                    .as_ref()
                    .map(|it| format!("{}/{}", it.namespace, it.name)),
            ),
            ("--container", self.container.clone()),
            ("--unit", self.unit.clone()),
        ];
        let mut told: Vec<String> = options
            .into_iter()
            .filter_map(|(option, value)| {
                let whole = Command::new(option).word(value?);
                Some((whole.text()).map_or_else(|| format!("{option} …"), str::to_owned))
            })
            .collect();
        told.extend(self.failed.then(|| "--failed".to_owned()));
        (!told.is_empty()).then(|| told.join(" "))
    }

    /// Whether the attempt is wanted.
    pub fn matches(&self, attempt: &Attempt) -> bool {
        self.is_of(attempt)
            && (!self.failed || !is_fine(attempt))
            && self.slower_than.is_none_or(|it| attempt.elapsed() > it)
            && self.name.as_ref().is_none_or(|glob| {
                let question = attempt.question.parse();
                question.is_some_and(|it| glob.matches(&it.name))
            })
    }

    /// Whether a lookup is wanted: one of its attempts, its name, whether it failed, and
    /// how long it took.
    pub fn wants(
        &self,
        example: &Attempt,
        name: Option<&str>,
        failed: bool,
        took: Duration,
    ) -> bool {
        self.is_of(example)
            && (!self.failed || failed)
            && self.slower_than.is_none_or(|it| took > it)
            && (self.name.as_ref()).is_none_or(|glob| name.is_some_and(|it| glob.matches(it)))
    }

    /// Whether it is of somebody who is wanted.
    fn is_of(&self, attempt: &Attempt) -> bool {
        // One whose names are not known is nobody's that was asked for.
        let is = |test: &dyn Fn(&Identity) -> bool| attempt.workload.as_deref().is_some_and(test);
        let (container, unit) = (self.container.as_ref(), self.unit.as_ref());
        self.role.is_none_or(|role| attempt.role == role)
            && self.pid.is_none_or(|pid| attempt.owner.pid == Some(pid))
            && self.comm.is_none_or(|comm| attempt.owner.comm == comm)
            && self.pod.as_ref().is_none_or(|pod| is(&|it| pod.is(it)))
            && container.is_none_or(|id| is(&|it| is_container(it, id)))
            && unit.is_none_or(|unit| is(&|it| is_unit(it, unit)))
    }
}

/// A pod as `--pod` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFilter {
    namespace: String,
    name: String,
}

impl FromStr for PodFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let (namespace, name) = parts
            .filter(|(namespace, name)| {
                !namespace.is_empty() && !name.is_empty() && !name.contains('/')
            })
            .ok_or("write a pod as NAMESPACE/NAME, for example kube-system/coredns-abcde")?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl PodFilter {
    fn is(&self, workload: &Identity) -> bool {
        workload.pod().is_some_and(|pod| {
            pod.namespace.as_ref() == Some(&self.namespace) && pod.name.as_ref() == Some(&self.name)
        })
    }
}

/// Whether `--container` means this one: by its name, or by its id or the first
/// digits of it, as the runtimes' own tools allow.
fn is_container(workload: &Identity, wanted: &str) -> bool {
    /// Fewer digits might be the beginning of several.
    const ID_MIN: usize = 12;
    let by_id = wanted.len() >= ID_MIN
        && workload
            .container()
            .is_some_and(|id| id.starts_with(wanted));
    by_id || workload.container_name() == Some(wanted)
}

/// Whether `--unit` means this one: a name without a type is a service, as with
/// systemctl.
fn is_unit(workload: &Identity, wanted: &str) -> bool {
    workload
        .unit()
        .is_some_and(|unit| unit == wanted || unit.strip_suffix(".service") == Some(wanted))
}

/// Answered NOERROR or NXDOMAIN in time, or superseded, which is no failure.
fn is_fine(attempt: &Attempt) -> bool {
    match attempt.answer {
        _ if attempt.outcome.is_failure() => false,
        Some(answer) => matches!(answer.rcode, OptRcode::NOERROR | OptRcode::NXDOMAIN),
        None => true,
    }
}

/// A pattern for names in presentation form: `*` is any text, `?` one
/// character. Letters match in either case (RFC 4343), a final dot is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameGlob(Vec<u8>);

impl FromStr for NameGlob {
    type Err = String;

    fn from_str(pattern: &str) -> Result<Self, String> {
        // A name has at most 255 octets, each of four characters when escaped.
        const PATTERN_MAX: usize = 1024;
        if pattern.is_empty() || pattern.len() > PATTERN_MAX {
            return Err(format!("write a pattern of 1 to {PATTERN_MAX} characters"));
        }
        if !pattern.is_ascii() || pattern.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(
                "write the name as DNS has it: ASCII letters, or \\DDD for other octets".to_owned(),
            );
        }
        let lower = pattern.to_ascii_lowercase();
        let trimmed = match lower.strip_suffix('.') {
            Some(rest) if !rest.is_empty() && !rest.ends_with('\\') => rest,
            _ => &lower,
        };
        Ok(Self(trimmed.as_bytes().to_vec()))
    }
}

impl fmt::Display for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl NameGlob {
    /// Whether the whole name matches. Linear memory, at most quadratic time:
    /// on a mismatch only the last `*` is tried again.
    pub fn matches(&self, name: &str) -> bool {
        let pattern = &self.0;
        let name = name.as_bytes();
        let (mut p, mut n) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == name[n].to_ascii_lowercase() => {
                    p += 1;
                    n += 1;
                }
                _ => {
                    let Some((at, from)) = star else {
                        return false;
                    };
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
            }
        }
        pattern[p..].iter().all(|&c| c == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn glob(pattern: &str) -> NameGlob {
        pattern.parse().expect("a good pattern")
    }

    #[test]
    fn globs_match_whole_names_in_either_case() {
        let cases = [
            ("example.com", "example.com", true),
            ("EXAMPLE.com.", "Example.COM", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("*", ".", true),
            (".", ".", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("x\\032y", "x\\032y", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(glob(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn its_options_are_told_as_a_shell_reads_them() {
        assert_eq!(Filter::default().options(), None);
        let some = Filter {
            comm: Some(Comm::new(b"$(reboot)")),
            name: Some(glob("*.Example.com.")),
            role: Some(Role::Client),
            unit: Some("a`b".to_owned()),
            failed: true,
            ..Filter::default()
        };
        let told = "--comm '$(reboot)' --name '*.example.com' --role client --unit … --failed";
        assert_eq!(some.options().as_deref(), Some(told));
        let others = Filter {
            pid: Some(7),
            slower_than: Some(Duration::from_millis(1_500)),
            pod: Some("shop/web-1".parse().expect("a pod")),
            container: Some("nginx".to_owned()),
            ..Filter::default()
        };
        let told = "--pid 7 --slower-than 1s500ms --pod shop/web-1 --container nginx";
        assert_eq!(others.options().as_deref(), Some(told));
    }

    #[test]
    fn workloads_are_called_as_their_own_tools_call_them() {
        let web = sample::pod("shop", "web-1", "nginx");
        let is_pod = |text: &str| text.parse::<PodFilter>().expect("a pod").is(&web);
        assert!(is_pod("shop/web-1"));
        assert!(!is_pod("shop/web") && !is_pod("other/web-1"));
        let id = web.container().expect("an id");
        assert!(is_container(&web, "nginx"));
        assert!(is_container(&web, id) && is_container(&web, &id[..12]));
        assert!(!is_container(&web, &id[..11]) && !is_container(&web, "ngin"));
        let unit = sample::workload("/system.slice/unbound.service");
        assert!(is_unit(&unit, "unbound") && is_unit(&unit, "unbound.service"));
        assert!(!is_unit(&unit, "unboun") && !is_unit(&web, "unbound"));
        let scope = sample::workload("/user.slice/session-3.scope");
        assert!(is_unit(&scope, "session-3.scope") && !is_unit(&scope, "session-3"));
        for bad in ["", "web-1", "/web-1", "shop/", "shop/web/1"] {
            assert!(bad.parse::<PodFilter>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = glob(&"*a".repeat(500));
        assert!(!pattern.matches(&"a".repeat(499)));
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "münchen.de", "two words", "\x1b[31m"] {
            assert!(bad.parse::<NameGlob>().is_err(), "{bad:?}");
        }
    }
}
