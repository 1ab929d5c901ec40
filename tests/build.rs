fn main() {
    println!("cargo::rustc-env=PYLON_TEST_GUESTS={}/../target/wasm32-wasip2/release/examples", env!("CARGO_MANIFEST_DIR"));
}
