//! A policy's memory is wiped for each call, so its stack is 64 KiB instead of 1 MiB. Here and not in a Cargo config, which nested builds and other folders miss.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-examples=-zstack-size=65536");
}
