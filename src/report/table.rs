//! Aligned columns: the first to the left, figures to the right.

use std::io;

use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use super::page::beginning;
use super::page::columns;

const INDENT: usize = 2;
const GAP: usize = 3;
/// A name is not cut below this before a column is left out.
const NAME_MIN: usize = 18;

/// A column: its head, and where the page is too narrow, the higher, the sooner it is
/// left out; 0 stays.
pub(super) type Column<'a> = (&'a str, u8);

/// Writes the head and the rows. Where the page is too narrow, columns are left out,
/// and then the first one gives way.
pub(super) fn write(
    page: &mut Page<'_>,
    table: &[Column<'_>],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let width = |(at, (head, _)): (usize, &Column<'_>)| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widest = cells.map(|cell| columns(cell)).max();
        widest.unwrap_or(0).max(columns(head))
    };
    let mut widths: Vec<usize> = table.iter().enumerate().map(width).collect();
    let mut shown: Vec<usize> = (0..table.len()).collect();
    let name = widths.first().copied().unwrap_or(0);
    let room = loop {
        let figures: usize = shown.iter().skip(1).map(|&at| widths[at] + GAP).sum();
        let room = page.width().saturating_sub(INDENT + figures);
        let spare = shown.iter().copied().max_by_key(|&at| table[at].1);
        match spare.filter(|&at| table[at].1 > 0 && room < name.min(NAME_MIN)) {
            Some(spare) => shown.retain(|&at| at != spare),
            None => break room,
        }
    };
    if let Some(first) = widths.first_mut() {
        *first = name.min(room);
    }
    let heads: Vec<_> = table.iter().map(|(head, _)| (*head).to_owned()).collect();
    page.line(&[(DIM, &aligned(&heads, &shown, &widths))])?;
    for row in rows {
        page.line(&[(PLAIN, &aligned(row, &shown, &widths))])?;
    }
    Ok(())
}

fn aligned(cells: &[String], shown: &[usize], widths: &[usize]) -> String {
    let mut line = " ".repeat(INDENT);
    for &at in shown {
        let (cell, width) = (&cells[at], widths[at]);
        let space = " ".repeat(width.saturating_sub(columns(cell)));
        match at {
            0 if columns(cell) > width => {
                let cut = beginning(cell, width.saturating_sub(1));
                let space = " ".repeat(width.saturating_sub(columns(cut) + 1));
                line += &format!("{cut}…{space}");
            }
            0 => line += &format!("{cell}{space}"),
            _ => line += &format!("{:GAP$}{space}{cell}", ""),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, width: usize) -> String {
        let table = [("name", 0), ("n", 0), ("more", 1)];
        let row = |name: &str, n: &str| vec![name.to_owned(), n.to_owned(), "x".repeat(20)];
        let mut out = Vec::new();
        let rows = [row(name, "1"), row("b", "1,000")];
        write(&mut Page::new(&mut out, width), &table, &rows).expect("a Vec takes everything");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let page = written("a", 100);
        assert!(page.starts_with("  name       n                   more\n  a          1"));
    }

    #[test]
    fn what_can_be_spared_is_left_out_before_a_name_is_cut_short() {
        let page = written("名前の長いポッド", 40);
        assert_eq!(
            page,
            "  name                   n\n  名前の長いポッド       1\n  b                  1,000\n"
        );
    }

    #[test]
    fn a_long_name_gives_way() {
        for name in ["a".repeat(200), "名".repeat(100)] {
            let page = written(&name, 100);
            assert!(page.lines().all(|line| columns(line) == 100), "{page}");
            assert!(page.contains("…"), "{page}");
        }
    }
}
