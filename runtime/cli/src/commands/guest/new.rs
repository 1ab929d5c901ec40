//! `pylon guest new`: a crate to begin with, in the folder where one is.

use crate::args::guest::NewCommand;
use crate::output::say;
use anyhow::{Context, Result, bail};
use pylon_authoring::scaffold::{self, Plan};
use pylon_sandbox::Role;
use pylon_slots::component;
use std::io::ErrorKind;
use std::path::Path;

/// Makes it.
pub(super) fn run(command: &NewCommand) -> Result<()> {
    let plan = match command {
        NewCommand::Policy(args) => Plan { name: &args.name, role: args.world.role(), kind: None },
        NewCommand::Handler(args) => {
            Plan { name: &args.name, role: Role::Handler, kind: Some(args.kind) }
        }
    };
    if component(plan.name).is_some() {
        bail!("{} is the name of a guest that comes with pylon: choose another name", plan.name);
    }
    match scaffold::write(Path::new(""), plan) {
        Ok(_) => say(&page(plan.name)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already: choose another name", plan.name)
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", plan.name)),
    }
}

fn page(name: &str) -> String {
    format!(
        "{name}/src/lib.rs       the guest\n{name}/{name}.cases.toml  what it must answer\n\nNext: pylon guest test {name}, then change both\n"
    )
}
