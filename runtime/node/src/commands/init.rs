//! `pylon init`: makes the identity and says what to do next.

use crate::home::Home;
use crate::identity::{Identity, Phrase};
use anyhow::{Context, Result};
use std::io::Write;

pub fn run() -> Result<()> {
    let home = Home::from_env()?;
    home.open()?;
    let (identity, phrase) = Identity::create(&home)?;
    tell(&mut std::io::stdout().lock(), &home, &identity, &phrase).context("the identity is made, but cannot be shown")
}

fn tell(out: &mut impl Write, home: &Home, identity: &Identity, phrase: &Phrase) -> std::io::Result<()> {
    writeln!(out, "This node's recovery phrase, shown only now. Write it down; who has it can act as this node:\n")?;
    writeln!(out, "    {}\n", phrase.reveal())?;
    writeln!(out, "npub      {}", identity.npub())?;
    writeln!(out, "hex       {}", identity.hex())?;
    writeln!(out, "identity  {}", home.identity_file().display())?;
    writeln!(out, "config    {} (every key has a default)", home.config_file().display())?;
    writeln!(out, "state     {}\n", home.state_dir().display())?;
    writeln!(out, "Next: pylon start -f")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an operator learns everything needed, and the phrase once. Method: read what is told of a fresh home.
    #[test]
    fn tells_everything_and_the_phrase_once() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let (identity, phrase) = Identity::create(&home).unwrap();
        let mut told = Vec::new();
        tell(&mut told, &home, &identity, &phrase).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told.matches(phrase.reveal()).count(), 1, "{told}");
        for part in [identity.npub(), identity.hex(), "config.toml".into(), ".openagents/pylon".into(), "pylon start -f".into()] {
            assert!(told.contains(&part), "{part} in {told}");
        }
    }
}
