#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| kerno::fuzzing::answer(octets));
