//! Puts a run into docs/overhead.md.

use std::fs;

use anyhow::Context as _;
use anyhow::Result;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/overhead.md");

/// What is measured stands between these two.
const BEGIN: &str = "<!-- measured: make bench -->\n";
const END: &str = "<!-- end of measured -->\n";

/// Writes it in place of the run that is there.
pub(crate) fn write(run: &str) -> Result<()> {
    let page = fs::read_to_string(PAGE).context("docs/overhead.md cannot be read")?;
    let (before, rest) = page
        .split_once(BEGIN)
        .context("docs/overhead.md lost a mark")?;
    let (_, after) = rest
        .split_once(END)
        .context("docs/overhead.md lost a mark")?;
    let page = format!("{before}{BEGIN}\n{run}{END}{after}");
    fs::write(PAGE, page).context("docs/overhead.md cannot be written")
}
