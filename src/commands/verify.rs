//! `kerno verify`.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::VerifyArgs;

pub(super) fn run(_args: &VerifyArgs) -> Result<ExitCode> {
    unimplemented!()
}
