//! Finds a Python on this machine that can fetch and run the server.

use super::error::ManagedError;
use super::pins::{self, PYTHON_MIN, Wheel};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const PROBE: &str = include_str!("probe.py");
/// For a cold start of Python from a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The usual names of Python 3, in order of preference.
const NAMES: &[&str] = &["python3", "python"];

/// A supported interpreter, with the wheel for its machine.
#[derive(Debug)]
pub(super) struct Python {
    program: String,
    has_pip: bool,
    pub(super) engine: Wheel,
}

impl Python {
    /// The first usable interpreter among the usual names.
    pub(super) async fn find(folder: &Path) -> Result<Self, ManagedError> {
        Self::find_among(NAMES, folder).await
    }

    pub(super) async fn find_among(names: &[&str], folder: &Path) -> Result<Self, ManagedError> {
        let mut found = None;
        for name in names {
            if let Some(line) = ask(name, folder).await {
                match Self::from_probe(name, &line) {
                    Err(ManagedError::NoPython(version)) => found = found.or(Some(version)),
                    other => return other,
                }
            }
        }
        Err(ManagedError::NoPython(found.unwrap_or_else(|| "no Python".to_owned())))
    }

    fn from_probe(program: &str, line: &str) -> Result<Self, ManagedError> {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (version, system, machine, libc, pip) = (word(), word(), word(), word(), word());
        let number =
            |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let mut parts = version.split('.');
        if (number(parts.next()), number(parts.next())) < PYTHON_MIN {
            return Err(ManagedError::NoPython(format!("Python {version}")));
        }
        let engine = pins::engine_for(system, machine, libc)
            .ok_or_else(|| ManagedError::NoWheel(format!("{system} on {machine} ({libc})")))?;
        Ok(Self { program: program.to_owned(), has_pip: pip == "pip", engine })
    }

    #[cfg(test)]
    pub(super) fn with_engine(self, engine: Wheel) -> Self {
        Self { engine, ..self }
    }

    /// Pip, if this Python has it.
    pub(super) fn pip(&self, folder: &Path) -> Result<Command, ManagedError> {
        if !self.has_pip {
            return Err(ManagedError::NoPip(self.program.clone()));
        }
        let mut command = self.command(folder);
        command
            .args(["-m", "pip", "--disable-pip-version-check", "--no-input"])
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        Ok(command)
    }

    /// Runs this Python in one of our folders, so that no module of the operator's current folder
    /// is loaded.
    pub(super) fn command(&self, folder: &Path) -> Command {
        command(&self.program, folder)
    }
}

fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The output of the probe, if the program is a Python.
async fn ask(program: &str, folder: &Path) -> Option<String> {
    let mut command = command(program, folder);
    command.args(["-I", "-c", PROBE]).stderr(Stdio::null());
    let output = timeout(ANSWER_TIMEOUT, command.output()).await.ok()?.ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !line.trim().is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        Python::from_probe("python3", line).unwrap_err().to_string()
    }

    /// Each missing thing is named, with an alternative.
    #[test]
    fn missing_things_are_named() {
        assert!(refusal("3.9 linux x86_64 glibc pip").contains("Python 3.9"));
        assert!(refusal("2.7 linux x86_64 glibc pip").contains("Python 2.7"));
        assert!(refusal("3.12 linux riscv64 glibc pip").contains("linux on riscv64"));
        assert!(refusal("3.12 linux x86_64 ? pip").contains("--backend URL"));
        assert!(refusal("nonsense").contains("Python nonsense"));
        let bare = Python::from_probe("python3", "3.10 linux x86_64 glibc bare").unwrap();
        assert!(bare.pip(Path::new("/")).unwrap_err().to_string().contains("pip"));
    }

    /// A machine without Python gives a clear error.
    #[tokio::test]
    async fn a_missing_python_is_an_error() {
        let error = Python::find_among(&["no-such-python"], Path::new(".")).await.unwrap_err();
        assert!(error.to_string().contains("no Python"), "{error}");
    }
}
