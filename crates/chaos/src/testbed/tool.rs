//! The real tools that a site is made and broken with.

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::iter;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

/// A program and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    program: &'static str,
    package: &'static str,
}

/// Interfaces, addresses, routes.
pub const IP: Tool = Tool::new("ip", "iproute2");

/// Queues of interfaces.
pub const TC: Tool = Tool::new("tc", "iproute2");

/// The older tables of netfilter.
pub const IPTABLES_LEGACY: Tool = Tool::new("iptables-legacy", "iptables");

/// nftables.
pub const NFT: Tool = Tool::new("nft", "nftables");

/// A resolver.
pub const UNBOUND: Tool = Tool::new("unbound", "unbound");

/// A forwarder.
pub const DNSMASQ: Tool = Tool::new("dnsmasq", "dnsmasq-base");

/// Where a user's PATH may not lead, but administrators' programs are.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

impl Tool {
    const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package }
    }

    /// Where it is; an error names the package that has it.
    pub fn find(self) -> Result<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(ALSO.map(PathBuf::from));
        let mut programs = folders.map(|folder| folder.join(self.program));
        programs.find(|program| program.is_file()).with_context(|| {
            let Self { program, package } = self;
            format!(
                "this scenario needs `{program}`, which is not installed: on Debian and Ubuntu, \
                 sudo apt install {package}"
            )
        })
    }

    /// Runs a command for it to its end, with `input` on its standard input.
    /// Returns what it printed; an error if it failed.
    pub(super) fn finish(self, command: &mut Command, input: &str) -> Result<String> {
        let (succeeded, said) =
            finish(command, input).with_context(|| format!("cannot run {}", self.line(command)))?;
        if !succeeded {
            let said = said.trim().replace('\n', "; ");
            bail!("{} failed: {said}", self.line(command));
        }
        Ok(said)
    }

    /// Program and arguments, as they are typed.
    fn line(self, command: &Command) -> String {
        let arguments = command.get_args().map(OsStr::to_string_lossy);
        let words = iter::once(self.program.into()).chain(arguments);
        words.collect::<Vec<Cow<'_, str>>>().join(" ")
    }
}

/// Whether it succeeded, and its output and messages.
fn finish(command: &mut Command, input: &str) -> std::io::Result<(bool, String)> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that does not read it has an opinion of its own to tell.
        let _unread = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_names_its_package() {
        let tool = Tool::new("no-such-program-of-kerno", "some-package");
        let said = tool.find().unwrap_err().to_string();
        assert!(said.contains("`no-such-program-of-kerno`"), "{said}");
        assert!(said.contains("apt install some-package"), "{said}");
    }
}
