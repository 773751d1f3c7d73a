//! Aligned columns: the first to the left, figures to the right.

use std::io;

use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use super::page::WIDTH;
use crate::units;

/// Space before the first column.
const INDENT: usize = 2;
/// Space between two columns.
const GAP: usize = 3;

/// Writes the head and the rows. The first column gives way where the page is
/// too narrow.
pub(super) fn write(page: &mut Page<'_>, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut widths: Vec<_> = head.iter().map(|text| text.chars().count()).collect();
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.chars().count());
        }
    }
    let figures: usize = widths.iter().skip(1).map(|width| width + GAP).sum();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(WIDTH.saturating_sub(INDENT + figures));
    }
    page.line(&[(DIM, &aligned(head, &widths))])?;
    for row in rows {
        page.line(&[(PLAIN, &aligned(row, &widths))])?;
    }
    Ok(())
}

fn aligned(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let mut line = " ".repeat(INDENT);
    for (i, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if i == 0 {
            line += &format!("{:<width$}", units::shorten(cell.as_ref(), width));
        } else {
            line += &format!("{:GAP$}{:>width$}", "", cell.as_ref());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> String {
        let mut out = Vec::new();
        let rows = [
            vec![name.to_owned(), "1".to_owned()],
            vec!["b".to_owned(), "1,000".to_owned()],
        ];
        write(&mut Page::new(&mut out), &["name", "n"], &rows).expect("a Vec takes everything");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            written("a"),
            "  name       n\n  a          1\n  b      1,000\n"
        );
    }

    #[test]
    fn a_long_name_gives_way() {
        let page = written(&"a".repeat(200));
        assert!(
            page.lines().all(|line| line.chars().count() == WIDTH),
            "{page}"
        );
        assert!(page.contains("…       1\n"), "{page}");
    }
}
