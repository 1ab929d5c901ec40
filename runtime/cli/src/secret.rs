//! A secret that is read from stdin. At a terminal nothing of what is typed is shown.

use anyhow::{Context, Result, bail};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{IsTerminal, Read, Stdin, Write};

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// One line from a terminal, else everything; no more than so many bytes, and text.
pub(crate) fn read(prompt: &str, bytes_max: u64) -> Result<String> {
    let input = std::io::stdin();
    let mut secret = Vec::new();
    if input.is_terminal() {
        let _hidden = Hidden::at(&input)?;
        let _ = write!(std::io::stderr(), "{prompt}: ");
        // A terminal gives line by line.
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
        Ok(secret) if secret.len() as u64 <= bytes_max => Ok(secret),
        _ => bail!("that is too long, or no text"),
    }
}

/// A terminal that does not show what is typed, until dropped.
struct Hidden<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn at(terminal: &'a Stdin) -> Result<Self> {
        let before =
            tcgetattr(terminal).context("cannot hide what is typed: give it through a pipe")?;
        let mut hiding = before.clone();
        hiding.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hiding.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        // Ctrl-C ends the line instead of us, so that the terminal is as it was when we leave.
        hiding.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(terminal, OptionalActions::Flush, &hiding)
            .context("cannot hide what is typed: give it through a pipe")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // What was typed beyond the line is not left for the shell.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
