//! A handler whose `describe` never returns.

use pylon_guest::Params;
use pylon_guest::description::Manifest;
use pylon_guest::handler::{Handler, JobError};
use pylon_guest::types::{Job, Output};
use std::hint::black_box;

struct Busy;

impl Handler for Busy {
    fn describe() -> Manifest {
        loop {
            black_box(());
        }
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        Err(JobError::NoBackend)
    }
}

pylon_guest::handler::export!(Busy);
