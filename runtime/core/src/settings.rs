//! Settings. Each crate owns the type of its section; only the node knows the file.

/// An invalid value in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    /// The key below the section, outermost table first.
    pub key: Vec<String>,
    /// The problem and the valid values, without the position in the file.
    pub message: String,
}

impl InvalidSetting {
    /// An invalid value of this key.
    pub fn new(key: &[&str], message: impl Into<String>) -> Self {
        Self { key: key.iter().map(|part| (*part).to_owned()).collect(), message: message.into() }
    }

    /// Prefixes the key with the table that contains the section.
    #[must_use]
    pub fn below(mut self, table: &str) -> Self {
        self.key.insert(0, table.to_owned());
        self
    }
}

/// A table of tables that have a `type`. A table with the name of a type needs none.
#[derive(Clone, Copy, Debug)]
pub struct TypedTables {
    /// The key of the outer table.
    pub key: &'static str,
    /// The types.
    pub types: &'static [&'static str],
}

/// A section of the settings.
pub trait Section: Clone {
    /// The typed tables of the section. They are read as maps from name to enum.
    const TYPED_TABLES: Option<TypedTables> = None;

    /// Rejects invalid values.
    fn check(&self) -> Result<(), InvalidSetting>;

    /// The effective settings after a reload of `next`: its values where they apply without a
    /// restart, the current ones elsewhere. Implementations destructure `next` without `..`, so
    /// that a new field does not compile until this is decided.
    #[must_use]
    fn reloaded(&self, next: &Self) -> Self;
}

/// Suggests the closest name, or lists all names.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match closest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => one_of(names),
    }
}

/// `` expected `a` `` or `` expected one of `a`, `b` ``.
pub fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|known| format!("`{known}`")).collect();
    let expected = if names.len() > 1 { "expected one of" } else { "expected" };
    format!("{expected} {}", names.join(", "))
}

/// The closest name, if it is close enough to be a misspelling.
pub fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let measured = names.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, near) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(name.len() / 3)).then_some(near)
}
