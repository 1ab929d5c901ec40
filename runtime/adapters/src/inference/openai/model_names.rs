//! The names under which the models of a server are published, and its own ids for them.

use pylon_core::model_name::public_name;
use std::collections::BTreeMap;

/// By name, the id of each model.
#[derive(Debug, Default)]
pub(super) struct ModelNames(BTreeMap<String, String>);

impl ModelNames {
    /// Names for these ids, independent of their order. If files in several folders have the same
    /// name, a number follows it from the second on.
    pub(super) fn new<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut named: Vec<_> = ids.filter_map(|id| Some((public_name(id)?, id))).collect();
        // Ids that are names keep them.
        named.sort_unstable_by_key(|(name, id)| (name != id, *id));
        named.dedup();
        let mut names = BTreeMap::new();
        for (name, id) in named {
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let mut free = std::iter::once(name.to_owned()).chain(numbered);
            if let Some(free) = free.find(|name| !names.contains_key(name)) {
                names.insert(free, id.to_owned());
            }
        }
        Self(names)
    }

    /// The server's id of the model with this name. Unknown ones are left to the server.
    pub(super) fn id<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// The name of the model with this id of the server.
    pub(super) fn name(&self, id: &str) -> Option<&str> {
        self.0.iter().find(|(_, known)| *known == id).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each model has one name, whatever the order of the list. Method: the same file in
    /// three folders, and an id that looks like the name of one of them.
    #[test]
    fn equal_files_have_different_names() {
        let ids = ["/b/x.gguf", "x.gguf-2", "org/m", "/a/x.gguf", r"C:\x.gguf", "/", "org/m"];
        let names = |ids: &[&str]| {
            let names = ModelNames::new(ids.iter().copied());
            ids.iter().map(|id| names.name(id).unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        let expected = ["x.gguf-3", "x.gguf-2", "org/m", "x.gguf", "x.gguf-4", "-", "org/m"];
        assert_eq!(names(&ids), expected);
        let (mut ids, mut expected) = (ids, expected);
        ids.reverse();
        expected.reverse();
        assert_eq!(names(&ids), expected);
        let names = ModelNames::new(ids.into_iter());
        assert_eq!((names.id("x.gguf-3"), names.id("other")), ("/b/x.gguf", "other"));
    }
}
