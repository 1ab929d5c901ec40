//! Reads a secret from stdin, without echo on a terminal.

use anyhow::{Context, Result, bail};
use pylon_core::text::without_bom;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{IsTerminal, Read, Stdin, Write};

/// The byte of Ctrl-C.
const INTERRUPT: u8 = 3;

/// Reads one line from a terminal, else all of stdin: UTF-8 text of at most `bytes_max` bytes.
pub(crate) fn read(prompt: &str, bytes_max: u64) -> Result<String> {
    let input = std::io::stdin();
    let mut secret = Vec::new();
    if input.is_terminal() {
        let _hidden = EchoOff::at(&input)?;
        let _ = write!(std::io::stderr(), "{prompt}: ");
        // A terminal is read line by line.
        let mut bytes = input.lock().bytes();
        while let Some(byte) = bytes.next().transpose().context("cannot read from the terminal")? {
            match byte {
                b'\n' => break,
                INTERRUPT => bail!("interrupted"),
                byte => secret.push(byte),
            }
        }
    } else {
        input
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut secret)
            .context("cannot read stdin")?;
    }
    match String::from_utf8(secret) {
        Ok(secret) if secret.len() as u64 <= bytes_max => Ok(without_bom(&secret).to_owned()),
        _ => bail!("the input is too long or not text"),
    }
}

/// Disables the echo of the terminal until dropped.
struct EchoOff<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> EchoOff<'a> {
    fn at(terminal: &'a Stdin) -> Result<Self> {
        let before =
            tcgetattr(terminal).context("cannot disable the echo of the terminal: use a pipe")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        // Ctrl-C ends the line instead of the process, so that the terminal is restored.
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(terminal, OptionalActions::Flush, &silent)
            .context("cannot disable the echo of the terminal: use a pipe")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for EchoOff<'_> {
    fn drop(&mut self) {
        // Input after the line is discarded, so that the shell does not read it.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
