//! `kerno gen`: manual pages and completions, made of the command line itself.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use clap::CommandFactory as _;
use clap::ValueEnum as _;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::Roff;
use clap_mangen::roff::bold;
use clap_mangen::roff::roman;

use crate::cli::Cli;
use crate::cli::GenerateArgs;
use crate::cli::Generated;

/// What the date in a page is, in seconds since 1970 (reproducible-builds.org).
const DATE: &str = "SOURCE_DATE_EPOCH";

/// What ends where the examples of a help text begin.
const EXAMPLES: &str = "Examples:\n";

/// Exit codes that every command has, or `doctor` and `fleet` with `--exit-code`.
const CODES: &[(&str, &str)] = &[
    (
        "0",
        "It ran; with --exit-code: healthy, or no traffic was seen.",
    ),
    (
        "1",
        "It could not run, and a sentence on standard error says why; with --exit-code: a warning, \
         or nothing can be said for sure.",
    ),
    (
        "2",
        "The command line is wrong; with --exit-code also: critical.",
    ),
    ("3", "With --exit-code, and from fleet: it could not run."),
];

/// Writes what is asked for into the folder.
pub(super) fn run(args: &GenerateArgs) -> Result<ExitCode> {
    let mut command = Cli::command();
    command.build();
    let folder = args.folder.as_path();
    let written = match args.what {
        Generated::Man => pages(&command, folder, &date()?),
        Generated::Completions => Shell::value_variants()
            .iter()
            .filter(|shell| matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish))
            .try_for_each(|&shell| {
                clap_complete::generate_to(shell, &mut command.clone(), "kerno", folder).map(drop)
            }),
    };
    written.with_context(|| format!("cannot write into the folder {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The day of `SOURCE_DATE_EPOCH`, else today, in UTC.
fn date() -> Result<String> {
    let time = match env::var(DATE) {
        Ok(text) => {
            let seconds = text.parse().ok();
            let seconds = seconds
                .filter(|&seconds| seconds <= i64::MAX.unsigned_abs() / 1_000_000_000)
                .with_context(|| format!("{DATE} must be seconds since 1970, not {text:?}"))?;
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        }
        Err(_) => SystemTime::now(),
    };
    let day = humantime::format_rfc3339_seconds(time).to_string();
    Ok(day.split('T').next().unwrap_or_default().to_owned())
}

/// `kerno.1`, and `kerno-COMMAND.1` for each command that is shown.
fn pages(root: &clap::Command, folder: &Path, date: &str) -> io::Result<()> {
    let shown = || root.get_subcommands().filter(|c| !c.is_hide_set());
    let names: Vec<String> = shown()
        .map(|c| format!("kerno-{}", c.get_name()))
        .filter(|name| name != "kerno-help")
        .collect();
    write_page(root, "kerno", &names, folder, date)?;
    for command in shown().filter(|c| c.get_name() != "help") {
        let name = format!("kerno-{}", command.get_name());
        write_page(command, &name, &["kerno".to_owned()], folder, date)?;
    }
    Ok(())
}

fn write_page(
    command: &clap::Command,
    name: &str,
    see_also: &[String],
    folder: &Path,
    date: &str,
) -> io::Result<()> {
    let usage = name.replacen('-', " ", 1);
    let after = command.get_after_help().map(ToString::to_string);
    let command = command.clone().name(name.to_owned()).bin_name(usage);
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section("1")
        .date(date)
        .source(format!("kerno {}", env!("CARGO_PKG_VERSION")))
        .manual("kerno");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if name == "kerno" {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    if let Some((examples, remarks)) = after.as_deref().and_then(examples) {
        rest.control("SH", ["EXAMPLES"]);
        rest.control("nf", []).text([roman(examples)]);
        rest.control("fi", []);
        if !remarks.is_empty() {
            rest.control("PP", []).text([roman(remarks)]);
        }
    }
    rest.control("SH", ["EXIT STATUS"]);
    for &(code, meaning) in CODES {
        rest.control("TP", []);
        rest.text([bold(code)]);
        rest.text([roman(meaning)]);
    }
    rest.control("SH", ["SEE ALSO"]);
    let pages: Vec<String> = see_also.iter().map(|page| format!("{page}(1)")).collect();
    rest.text([roman(pages.join(", "))]);
    rest.to_writer(&mut page)?;
    fs::write(folder.join(format!("{name}.1")), page)
}

/// The examples of a help text, and what is said behind them.
fn examples(help: &str) -> Option<(String, String)> {
    let (_, examples) = help.split_once(EXAMPLES)?;
    let (examples, remarks) = examples.split_once("\n\n").unwrap_or((examples, ""));
    Some((examples.to_owned(), remarks.replace('\n', " ")))
}
