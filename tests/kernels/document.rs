//! Holds docs/kernels.md against what was measured.

use std::fs;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::column::Column;
use crate::column::Section;

const PATH: &str = "docs/kernels.md";
const BEGIN: &str = "<!-- measured: make bpf-verify -->\n";
const END: &str = "<!-- end of measured -->\n";

/// Writes the measured table into the page.
pub(crate) fn record(columns: &[Column]) -> Result<()> {
    let (before, _, after) = read()?;
    let page = format!("{before}{BEGIN}{}{END}{after}", measured(columns));
    fs::write(PATH, page).with_context(|| format!("cannot write {PATH}"))
}

/// What is wrong with the page, line by line; `None` if it matches.
pub(crate) fn complaint(columns: &[Column]) -> Result<Option<String>> {
    let (_, written, _) = read()?;
    let measured = measured(columns);
    if written == measured {
        return Ok(None);
    }
    let mut text = format!(
        "{PATH} does not say what was measured; look at why, then write it with \
         `make bpf-verify RECORD=yes`\n"
    );
    for line in written
        .lines()
        .filter(|line| !measured.lines().any(|other| other == *line))
    {
        text.push_str(&format!("  - {line}\n"));
    }
    for line in measured
        .lines()
        .filter(|line| !written.lines().any(|other| other == *line))
    {
        text.push_str(&format!("  + {line}\n"));
    }
    Ok(Some(text))
}

/// The page before, in and after the measured part.
fn read() -> Result<(String, String, String)> {
    let page = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    let split = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (within, after) = rest.split_once(END)?;
        Some((before.to_owned(), within.to_owned(), after.to_owned()))
    });
    match split {
        Some(parts) => Ok(parts),
        None => bail!("{PATH} has lost the lines around its measured table: {BEGIN}"),
    }
}

/// A row for each cell that is documented, a column for each kernel.
fn measured(columns: &[Column]) -> String {
    let mut text = String::from("\n| |");
    text.extend(columns.iter().map(|column| format!(" {} |", column.name)));
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(columns.len()));
    text.push('\n');
    let mut rows: Vec<(Section, &str)> = Vec::new();
    for cell in columns.iter().flat_map(|column| &column.cells) {
        let row = (cell.section, cell.row.as_str());
        if !cell.documented.is_empty() && !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|(section, _)| *section);
    for (section, row) in rows {
        let what = match section {
            Section::Programs => "program",
            Section::Signals => "signal",
            Section::Counters => "counters",
            Section::Job => "queries",
        };
        text.push_str(&format!("| {what} `{row}` |"));
        for column in columns {
            let words = column
                .cell(section, row)
                .map_or("", |cell| cell.documented.as_str());
            text.push_str(&format!(" {words} |"));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}
