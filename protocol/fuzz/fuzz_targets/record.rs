#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orrery_protocol_fuzz::record(data));
