//! A handler that reads a file.

use pylon_guest::Params;
use pylon_guest::description::Manifest;
use pylon_guest::handler::{Handler, JobError};
use pylon_guest::types::{Job, Output};

struct ReadsFiles;

impl Handler for ReadsFiles {
    fn describe() -> Manifest {
        pylon_test_handlers::manifest("reads-files", Vec::new())
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        let content = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| JobError::Failed(error.to_string()))?;
        Ok(Output { content, mime: String::new(), attributes: Vec::new() })
    }
}

pylon_guest::handler::export!(ReadsFiles);
