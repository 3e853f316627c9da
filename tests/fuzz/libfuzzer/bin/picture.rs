#![no_main]
lastmile_libfuzzer::fuzz!(picture);
