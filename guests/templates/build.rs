//! The memory of a policy is cleared after each call, so its stack is 64 KiB instead of 1 MiB.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
}
