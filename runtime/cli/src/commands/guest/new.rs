//! `pylon guest new`: creates the crate of a new guest in the current folder.

use crate::args::guest::NewCommand;
use crate::output::print;
use anyhow::{Context, Result, bail};
use pylon_authoring::scaffold::{self, NewGuest};
use pylon_sandbox::Role;
use pylon_slots::component;
use std::io::ErrorKind;
use std::path::Path;

/// Creates the crate.
pub(super) fn run(command: &NewCommand) -> Result<()> {
    let plan = match command {
        NewCommand::Policy(args) => {
            NewGuest { name: &args.name, role: args.world.role(), kind: None }
        }
        NewCommand::Handler(args) => {
            NewGuest { name: &args.name, role: Role::Handler, kind: Some(args.kind) }
        }
    };
    if component(plan.name).is_some() {
        bail!("{} is the name of a guest that comes with pylon: choose another name", plan.name);
    }
    match scaffold::create(Path::new(""), plan) {
        Ok(_) => print(&page(plan.name)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} already exists: choose another name", plan.name)
        }
        Err(error) => Err(error).with_context(|| format!("cannot create {}", plan.name)),
    }
}

fn page(name: &str) -> String {
    format!(
        "{name}/src/lib.rs       the guest\n{name}/{name}.cases.toml  its test cases\n\nNext: \
         pylon guest test {name}, then change both\n"
    )
}
