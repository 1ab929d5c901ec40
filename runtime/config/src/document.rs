//! A parsed file whose keys are read section by section.

use crate::error::ConfigError;
use anyhow::{Context, Result, bail};
use pylon_core::settings::{Section, TypedTables, closest, nearest};
use pylon_core::text::without_bom;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Read};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

const FILE_BYTES_MAX: u64 = 1 << 20;

/// The text of a file without its byte order mark; `None` if the file does not exist.
pub fn read_text(path: &Path) -> Result<Option<String>> {
    let file = match pylon_files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let mut text = String::new();
    match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            bail!("{} is not UTF-8 text", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        Ok(read) if read as u64 > FILE_BYTES_MAX => {
            bail!("{} is larger than {FILE_BYTES_MAX} bytes", path.display())
        }
        Ok(_) => Ok(Some(without_bom(&text).to_owned())),
    }
}

/// A parsed file. Each section takes its keys; `finish` rejects those that remain.
pub struct Document<'text> {
    text: &'text str,
    keys: DeTable<'text>,
    known: Vec<String>,
}

impl<'text> Document<'text> {
    /// Parses the text. No key is interpreted yet.
    pub fn parse(text: &'text str) -> Result<Self, ConfigError> {
        let keys = DeTable::parse(text).map_err(|error| ConfigError::syntax(text, &error))?;
        Ok(Self { text, keys: keys.into_inner(), known: Vec::new() })
    }

    /// Reads a section whose keys are at the top level.
    pub fn section<S: Section + Default + Serialize + DeserializeOwned>(
        &mut self,
    ) -> Result<S, ConfigError> {
        let known = toml::Table::try_from(S::default()).unwrap_or_default();
        let names: Vec<String> = known.keys().cloned().collect();
        if let Some(tables) = S::TYPED_TABLES {
            self.tag(&tables)?;
        }
        let section: S = self.read(&names)?;
        self.known.extend(names);
        section.check().map_err(|invalid| ConfigError::value(self.text, invalid))?;
        Ok(section)
    }

    /// Reads a section that is a table of its own, `[name]`.
    pub fn table<S: Section + Default + Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<S, ConfigError> {
        let names = [name.to_owned()];
        let mut read: std::collections::BTreeMap<String, S> = self.read(&names)?;
        self.known.extend(names);
        let section = read.remove(name).unwrap_or_default();
        section.check().map_err(|invalid| ConfigError::value(self.text, invalid.below(name)))?;
        Ok(section)
    }

    fn read<T: DeserializeOwned>(&mut self, names: &[String]) -> Result<T, ConfigError> {
        let keys = std::mem::take(&mut self.keys).into_iter();
        let (taken, rest) =
            keys.partition(|(key, _)| names.iter().any(|name| name == key.get_ref()));
        self.keys = rest;
        let table: Spanned<DeTable<'_>> = Spanned::new(0..self.text.len(), taken);
        T::deserialize(Deserializer::from(table))
            .map_err(|error| ConfigError::syntax(self.text, &error))
    }

    /// Moves the keys of each typed table below its type, which is what serde reads as an enum.
    fn tag(&mut self, tables: &TypedTables) -> Result<(), ConfigError> {
        let outer = self.keys.get_mut(tables.key).map(Spanned::get_mut);
        let Some(DeValue::Table(outer)) = outer else { return Ok(()) };
        let types = || tables.types.iter().copied();
        for (name, value) in outer.iter_mut() {
            let span = value.span();
            let DeValue::Table(table) = value.get_mut() else {
                let message = format!("`{}` in [{}] is not a table", name.get_ref(), tables.key);
                return Err(ConfigError::at(self.text, name.span(), message));
            };
            let type_name = match table.remove("type") {
                Some(found) => match found.get_ref() {
                    DeValue::String(text) if types().any(|known| known == text) => {
                        Spanned::new(found.span(), text.clone())
                    }
                    other => {
                        let message = match other.as_str() {
                            Some(text) => format!("`type` is `{text}`; {}", nearest(text, types())),
                            None => format!("`type` is not a string; {}", nearest("", types())),
                        };
                        return Err(ConfigError::at(self.text, found.span(), message));
                    }
                },
                None if types().any(|known| known == name.get_ref()) => name.clone(),
                None => {
                    let (key, at, name) = (tables.key, name.span(), name.get_ref());
                    let message = match closest(name, types()) {
                        Some(near) => {
                            format!("unknown key `{name}` in [{key}]; did you mean `{near}`?")
                        }
                        None => {
                            format!("[{key}.{name}] needs a `type`; {}", nearest(name, types()))
                        }
                    };
                    return Err(ConfigError::at(self.text, at, message));
                }
            };
            let keys = std::mem::take(table);
            table.insert(type_name, Spanned::new(span, DeValue::Table(keys)));
        }
        Ok(())
    }

    /// Rejects keys that belong to no section.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some(key) = self.keys.keys().min_by_key(|key| key.span().start) else { return Ok(()) };
        let known = self.known.iter().map(String::as_str);
        Err(ConfigError::unknown(self.text, key.span(), key.get_ref(), known))
    }
}
