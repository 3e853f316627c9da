//! Makes what the language packages are generated from.
//!
//! `lastmile-bindgen records FOLDER` writes the typed records of every language below `mobile-bindings`; anything else, such as
//! `lastmile-bindgen generate LIBRARY --language kotlin --out-dir FOLDER`, goes to UniFFI's generator, of the version that the library was
//! built with.

use std::path::Path;
use std::process::ExitCode;

use lastmile_bindgen::records;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, folder] = arguments.as_slice() else { return generate() };
    if command != "records" {
        return generate();
    }
    for (path, text) in records::outputs() {
        let path = Path::new(folder).join(path);
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("lastmile-bindgen: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn generate() -> ExitCode {
    uniffi::uniffi_bindgen_main();
    ExitCode::SUCCESS
}
