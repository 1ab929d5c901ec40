//! Builds the guests that the tests install: the shipped ones, and fixtures that break limits.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let out_dir =
        std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("run by Cargo only"))?;
    let out_dir = Path::new(&out_dir);
    let mut guests = Vec::new();
    for package in
        ["../guests/policies", "../guests/handlers", "guests/policies", "guests/handlers"]
    {
        guests.extend(pylon_guest_build::build(package.as_ref(), out_dir)?);
    }
    pylon_guest_build::write_table(&guests, "GUESTS", &out_dir.join("guests.rs"))
}
