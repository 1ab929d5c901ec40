//! The memory of a policy is cleared after each call, so its stack is 64 KiB instead of 1 MiB. A
//! Cargo config would not apply to nested builds and other folders.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-examples=-zstack-size=65536");
}
