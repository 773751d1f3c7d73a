//! The one table, readable on a terminal of 100 columns, and what is to be said
//! about its cells.

use std::io;
use std::io::Write;

use crate::column::Column;
use crate::column::Mark;
use crate::column::Section;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// A kernel's column; `24 unanswered` and `6.12.117+deb13` fit.
const CELL: usize = 15;

const HEADINGS: [(Section, &str); 4] = [
    (
        Section::Programs,
        "BPF PROGRAMS: loaded, so many instructions verified, attached",
    ),
    (Section::Signals, "SIGNALS"),
    (
        Section::Counters,
        "PROGRAMS OF kerno counters: loaded, so many instructions verified, attached",
    ),
    (
        Section::Job,
        "THE JOB: kerno chaos --induce dns-mix, as kerno doctor counted it",
    ),
];

/// Writes the table, several of the same rows if the kernels don't fit one.
pub(crate) fn write(columns: &[Column], colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let rows = rows(columns);
    let label = rows.iter().map(|(_, row)| row.len()).max().unwrap_or(0);
    let fitting = ((WIDTH - label) / (CELL + 1)).max(1);
    for block in columns.chunks(fitting) {
        let mut line = |label_text: &str, cells: Vec<String>| {
            let line = format!("{label_text:label$}{}", cells.concat());
            writeln!(out, "{}", line.trim_end())
        };
        line("", Vec::new())?;
        line("", block.iter().map(|column| cell(&column.name)).collect())?;
        let kernel = |column: &Column| cell(short_release(&column.kernel));
        line("", block.iter().map(kernel).collect())?;
        for (section, heading) in HEADINGS {
            let mut rows = rows.iter().filter(|(of, _)| *of == section).peekable();
            if rows.peek().is_some() {
                line(heading, Vec::new())?;
            }
            for (_, row) in rows {
                let shown = |column: &Column| match column.cell(section, row) {
                    Some(found) => painted(&cell(&found.text), found.mark, colour),
                    None => cell("-"),
                };
                line(row, block.iter().map(shown).collect())?;
            }
        }
    }
    writeln!(
        out,
        "\na answered, u unanswered, r refused; - does not apply"
    )
}

/// Writes why cells are not green: what is not there, once for all kernels that
/// say the same, then what failed.
pub(crate) fn write_reasons(columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
    let mut said: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for column in columns {
        let cells = column.cells.iter();
        for cell in cells.filter(|cell| cell.mark == Mark::Absent && !cell.why.is_empty()) {
            match said
                .iter_mut()
                .find(|(row, why, _)| *row == cell.row && *why == cell.why)
            {
                Some((_, _, kernels)) => kernels.push(&column.name),
                None => said.push((&cell.row, &cell.why, vec![&column.name])),
            }
        }
    }
    for (row, why, kernels) in said {
        paragraph(&format!("no {row} on {}: {why}", kernels.join(", ")), out)?;
    }
    for column in columns {
        for cell in column.cells.iter().filter(|cell| cell.mark == Mark::Bad) {
            writeln!(out)?;
            paragraph(
                &format!("FAILED {} on {}: {}", cell.row, column.name, cell.why),
                out,
            )?;
        }
    }
    Ok(())
}

/// Cells that hold and cells that do not.
pub(crate) fn count(columns: &[Column]) -> (usize, usize) {
    let cells = columns.iter().flat_map(|column| &column.cells);
    let (bad, good): (Vec<_>, Vec<_>) = cells.partition(|cell| cell.mark == Mark::Bad);
    (good.len(), bad.len())
}

/// `95399` as `95,399`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// All rows, in the order in which the kernels have them.
fn rows(columns: &[Column]) -> Vec<(Section, String)> {
    let mut rows: Vec<(Section, String)> = Vec::new();
    for cell in columns.iter().flat_map(|column| &column.cells) {
        let row = (cell.section, cell.row.clone());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|(section, _)| *section);
    rows
}

/// Debian's flavour is the same in all.
fn short_release(release: &str) -> &str {
    let short = |machine| release.strip_suffix(machine);
    let short = short("-cloud-amd64").or_else(|| short("-cloud-arm64"));
    short.unwrap_or(release)
}

fn cell(text: &str) -> String {
    let text: String = text.chars().take(CELL).collect();
    format!(" {text:<CELL$}")
}

fn painted(text: &str, mark: Mark, colour: bool) -> String {
    let code = match mark {
        _ if !colour => return text.to_owned(),
        Mark::Good => "32",
        Mark::Absent => "33",
        Mark::Bad => "31;1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Long lines are wrapped between words; those of a log stay lines.
fn paragraph(text: &str, out: &mut dyn Write) -> io::Result<()> {
    for line in text.lines() {
        let mut written = 0;
        for word in line.split(' ') {
            if written > 0 && written + 1 + word.chars().count() > WIDTH {
                write!(out, "\n ")?;
                written = 1;
            }
            let space = if written > 0 { " " } else { "" };
            write!(out, "{space}{word}")?;
            written += space.len() + word.chars().count();
        }
        writeln!(out)?;
    }
    Ok(())
}
