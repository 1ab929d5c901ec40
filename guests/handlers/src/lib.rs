//! Each handler is a file beside this folder and a stanza in `Cargo.toml`; Cargo wants a library here, too.
