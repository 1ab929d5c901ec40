//! `pylon demo`: a whole market on this machine.

use crate::cli::DemoArgs;
use anyhow::{Result, bail};

pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let DemoArgs { backend: _, json: _, jobs: _, keep: _ } = args;
    bail!("this build has no demo yet")
}
