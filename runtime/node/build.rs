//! Builds the guests that the node ships and embeds them.

use std::path::PathBuf;

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let guests = here.join("../../guests");
    pylon_guest_build::embed(&[guests.join("policies"), guests.join("handlers")], "shipped.rs", "SHIPPED");
}
