//! What the fixtures have in common: how to describe a handler.

use pylon_guest::description::{About, ParamHelp, ServedKind, Setting, Want};

/// A handler of the kinds 5999 and 5998 with one setting, one public and one private param.
pub fn about(name: &str, wants: Vec<Want>) -> About {
    let param = |name: &str, public| ParamHelp {
        name: name.into(),
        help: String::new(),
        required: false,
        public,
    };
    About {
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
        wants,
        bounds: None,
    }
}
