//! The checked-in C header is what cbindgen makes of the sources.

use std::path::Path;

#[test]
fn header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["status", "bytes", "load", "encode", "chat", "entry"] {
        builder = builder.with_src(root.join(format!("src/{file}.rs")));
    }
    let mut generated = Vec::new();
    builder.generate().expect("cbindgen").write(&mut generated);
    let generated = String::from_utf8(generated).expect("UTF-8");

    let path = root.join("include/treble_tokenizers.h");
    if std::env::var_os("TREBLE_UPDATE_HEADER").is_some() {
        std::fs::write(&path, &generated).expect("write the header");
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        present == generated,
        "include/treble_tokenizers.h is stale: run TREBLE_UPDATE_HEADER=1 cargo test --test header"
    );
}
