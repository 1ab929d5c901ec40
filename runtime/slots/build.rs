//! Builds the guests that the node ships and embeds them.

use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let out_dir = PathBuf::from(
        std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?,
    );
    let mut guests = pylon_guest_build::build("../../guests/policies".as_ref(), &out_dir)?;
    guests.extend(pylon_guest_build::build("../../guests/handlers".as_ref(), &out_dir)?);
    pylon_guest_build::write_table(&guests, "SHIPPED", &out_dir.join("shipped.rs"))
}
