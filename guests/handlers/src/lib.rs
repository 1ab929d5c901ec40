//! Empty: a package needs a library. Each handler is a file next to this folder and an
//! `[[example]]` in `Cargo.toml`.
