//! `kerno history`, and what `kerno doctor` says about a time that is over.

use std::io;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::Result;

use crate::agent;
use crate::agent::Question;
use crate::agent::Trouble;
use crate::cli::DoctorArgs;
use crate::cli::HistoryArgs;
use crate::doctor::Verdict;

/// A line for each time that something was wrong.
pub(super) fn run(args: &HistoryArgs) -> Result<ExitCode> {
    let question = args.past.question()?;
    let troubles = match agent::is_there(&args.socket.socket) {
        true => ask(args, question)?,
        false => match agent::troubles_on_disk(&args.history, question) {
            Some(troubles) => {
                let folder = args.history.display();
                super::say(format_args!(
                    "no agent runs: this is what is written in {folder}"
                ));
                troubles?
            }
            // It says what is missing.
            None => ask(args, question)?,
        },
    };
    let mut out = io::stdout().lock();
    super::print(
        args.output,
        &troubles,
        |out| write(&troubles, out),
        &mut out,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn ask(args: &HistoryArgs, question: Question) -> Result<Vec<Trouble>> {
    let path = format!("/v1/history?{}", question.query());
    let (body, _) = agent::ask(&args.socket.socket, &path)?;
    serde_json::from_slice(&body).context("the agent's answer")
}

fn write(troubles: &[Trouble], out: &mut dyn io::Write) -> io::Result<()> {
    if troubles.is_empty() {
        return writeln!(out, "Nothing was wrong in the time that is kept.");
    }
    for it in troubles {
        let of = |all: &std::collections::BTreeSet<String>| {
            all.iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let verdict = match it.verdict {
            Verdict::Critical => "critical",
            _ => "warning",
        };
        write!(
            out,
            "{}  {}  {verdict:8}  {}",
            it.from,
            it.to,
            of(&it.rules)
        )?;
        match it.workloads.is_empty() {
            true => writeln!(out)?,
            false => writeln!(out, "  ({})", of(&it.workloads))?,
        }
    }
    Ok(())
}

/// The report about a time that is over, as the agent tells it.
pub(super) fn report(args: &DoctorArgs) -> Result<ExitCode> {
    args.watched.must_be_the_agents()?;
    args.output.must_fit_stdout()?;
    let question = Question {
        form: args.output.form(),
        ..args.past.question()?
    };
    let path = format!("/v1/doctor?{}", question.query());
    let (body, code) = agent::ask(&args.socket.socket, &path)?;
    let written = io::stdout().lock().write_all(&body);
    super::reported(written, code.filter(|_| args.exit_code))
}
