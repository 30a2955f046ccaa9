//! Compiles the crate anew when the browser client was built anew.

#[expect(clippy::print_stdout, reason = "cargo reads what a build script prints")]
fn main() {
    println!("cargo:rerun-if-changed=ui/dist");
}
