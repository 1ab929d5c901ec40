//! Imports an interface that its manifest does not request.

use pylon_guest::Params;
use pylon_guest::description::Manifest;
use pylon_guest::handler::{Handler, JobError, progress};
use pylon_guest::types::{Job, Output};

struct Undeclared;

impl Handler for Undeclared {
    fn describe() -> Manifest {
        pylon_test_handlers::manifest("undeclared", Vec::new())
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        progress::report(None, "");
        Err(JobError::NoBackend)
    }
}

pylon_guest::handler::export!(Undeclared);
