//! The committed files are what the generator writes.

use std::path::Path;

use lastmile_bindgen::records;

#[test]
fn the_typed_records_are_those_of_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, text) in records::outputs() {
        let kept = std::fs::read_to_string(folder.join(path)).unwrap_or_default();
        assert!(kept == text, "{path} is out of date; run `cargo run -p lastmile-bindgen records mobile-bindings`");
    }
}

#[test]
fn the_generator_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    for (path, _) in records::outputs() {
        std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_lastmile-bindgen");
    let done = std::process::Command::new(program).arg("records").arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    for (path, text) in records::outputs() {
        assert_eq!(std::fs::read_to_string(folder.path().join(path)).unwrap(), text);
    }
}
