//! `kerno verify`.

use std::borrow::Cow;
use std::io;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::cli::VerifyArgs;
use crate::counters::CounterCheck;
use crate::counters::CounterState;
use crate::counters::check_counters;
use crate::host::Facts;
use crate::host::Host;
use crate::host::Signal;
use crate::kernel::Config;
use crate::kernel::ProgramCheck;
use crate::kernel::Wake;
use crate::kernel::check_programs;

/// `kerno verify --output json`.
#[derive(Debug, Serialize)]
struct Verification {
    schema: &'static str,
    host: Facts,
    programs: Vec<ProgramCheck>,
    /// Kernel memory of all maps with their default sizes.
    map_bytes: u64,
    signals: Vec<SignalState>,
    /// The programs of `kerno counters`; kerno does its work without them.
    counters: Vec<CounterCheck>,
    /// Whether kerno can do its work on this kernel.
    usable: bool,
}

#[derive(Debug, Serialize)]
struct SignalState {
    name: &'static str,
    shows: Cow<'static, str>,
    available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Checks each program and says what this kernel can give. Exit code 1 if
/// kerno can't do its work here.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let host = Host::probe()?;
    let verification = verify(&host)?;
    let text = |out: &mut dyn Write| write_text(&verification, out);
    super::print(
        args.output,
        &verification,
        text,
        &mut anstream::stdout().lock(),
    )?;
    Ok(match verification.usable {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn verify(host: &Host) -> Result<Verification> {
    let config = Config {
        ports: vec![53],
        wake: Wake::Many,
        count_plain: false,
        lookups: false,
        all_hooks: true,
    };
    let signals = host.signals();
    let (programs, map_bytes) = check_programs(host, &config, &signals)?;
    let usable = programs
        .iter()
        .filter(|check| check.expected)
        .all(|check| check.load_error.is_none() && check.attach_error.is_none());
    Ok(Verification {
        schema: "kerno.verify.v1",
        host: Facts::gather(),
        programs,
        map_bytes,
        signals: signals.into_iter().map(state).collect(),
        counters: check_counters(),
        usable,
    })
}

fn state(signal: Signal) -> SignalState {
    SignalState {
        name: signal.name.hook(),
        shows: signal.shows,
        available: signal.missing.is_none(),
        reason: signal.missing,
    }
}

fn write_text(verification: &Verification, out: &mut dyn Write) -> io::Result<()> {
    let host = &verification.host;
    writeln!(
        out,
        "kerno on {} (Linux {}, {})\n",
        host.name, host.kernel, host.arch
    )?;
    writeln!(
        out,
        "{:<18} {:<28} {:>13}  RESULT",
        "PROGRAM", "HOOK", "INSTRUCTIONS"
    )?;
    for check in &verification.programs {
        let insns = check
            .verified_insns
            .map_or_else(|| "-".to_owned(), |insns| insns.to_string());
        let result = match (&check.load_error, &check.attach_error) {
            _ if !check.expected => "not on this kernel, see below",
            (Some(_), _) => "rejected",
            (None, Some(_)) => "loads, does not attach",
            (None, None) => "loads and attaches",
        };
        writeln!(
            out,
            "{:<18} {:<28} {insns:>13}  {result}",
            check.name, check.section
        )?;
    }
    for check in verification.programs.iter().filter(|check| check.expected) {
        for error in check.load_error.iter().chain(&check.attach_error) {
            writeln!(out, "\n{}:", check.name)?;
            for line in error.lines() {
                writeln!(out, "  {line}")?;
            }
        }
    }
    writeln!(
        out,
        "\nKernel memory of the maps: {:.1} MiB\n",
        verification.map_bytes as f64 / f64::from(1 << 20)
    )?;
    for signal in &verification.signals {
        match &signal.reason {
            None => writeln!(out, "  yes  {:<22} {}", signal.name, signal.shows)?,
            Some(reason) => writeln!(out, "  no   {:<22} {reason}", signal.name)?,
        }
    }
    write_counters(&verification.counters, out)?;
    writeln!(
        out,
        "\n{}",
        match verification.usable {
            true => "kerno works on this kernel.",
            false => "kerno does not work on this kernel; the lines above say why.",
        }
    )
}

/// What there is of each set, then what there is not, and why.
fn write_counters(checks: &[CounterCheck], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\nCounters, attached while `kerno counters` asks for them:\n"
    )?;
    let lacks =
        |it: &&CounterCheck| matches!(it.state, CounterState::Missing | CounterState::Refused);
    for set in checks.chunk_by(|a, b| set_of(a) == set_of(b)) {
        let name = set.first().map_or("", set_of);
        let missing: Vec<&str> = set
            .iter()
            .filter(lacks)
            .flat_map(|it| it.gives.iter().copied())
            .collect();
        let mut given: Vec<&str> = Vec::new();
        for counter in set.iter().flat_map(|it| &it.gives) {
            if !given.contains(counter) && !missing.contains(counter) {
                given.push(counter);
            }
        }
        if !given.is_empty() {
            line(out, "yes", name, &given.join(", "))?;
        }
        for check in set.iter().filter(lacks) {
            let reason = check.reason.as_deref().unwrap_or_default();
            let what = match check.state {
                CounterState::Refused => format!("{} is refused: ", check.name),
                _ => String::new(),
            };
            let counters = check.gives.join(", ");
            line(out, "no", name, &format!("{counters}: {what}{reason}"))?;
        }
    }
    Ok(())
}

/// Wrapped, as the lists of counters are long.
fn line(out: &mut dyn Write, word: &str, name: &str, text: &str) -> io::Result<()> {
    const WIDTH: usize = 100;
    let head = format!("  {word:<4} {name:<22} ");
    let indent = " ".repeat(head.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(&head)
        .subsequent_indent(&indent);
    writeln!(out, "{}", textwrap::fill(text, options))
}

/// What stands before the slash.
fn set_of(check: &CounterCheck) -> &str {
    check.name.split('/').next().unwrap_or(&check.name)
}
