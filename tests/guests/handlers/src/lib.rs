//! The manifest of all fixtures.

use pylon_guest::description::{Capability, Manifest, ParamHelp, ServedKind, Setting};

/// A handler of the kinds 5999 and 5998 with one setting, one public and one private parameter.
pub fn manifest(name: &str, requests: Vec<Capability>) -> Manifest {
    let param = |name: &str, public| ParamHelp {
        name: name.into(),
        help: String::new(),
        required: false,
        public,
    };
    Manifest {
        name: name.into(),
        version: "1.0.0".into(),
        summary: "A fixture.".into(),
        settings: vec![Setting::new("do", "answer", "What to do.")],
        kinds: [5999, 5998]
            .map(|kind| ServedKind {
                kind,
                summary: "A fixture.".into(),
                params: vec![param("model", true), param("secret", false)],
            })
            .into(),
        requests,
        limits: None,
    }
}
