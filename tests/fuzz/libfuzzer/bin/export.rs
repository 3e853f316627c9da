#![no_main]
lastmile_libfuzzer::fuzz!(export);
