//! New or changed migrations are compiled in again.

fn main() {
    println!("cargo:rerun-if-changed=.");
}
