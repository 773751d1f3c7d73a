//! What must not compile, each with what the compiler says. `make test` runs it;
//! `TRYBUILD=overwrite cargo test -p typed-bpf --test compile_fail` writes the messages
//! anew, to be reviewed.

#[test]
fn what_is_wrong_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_fail/right.rs");
    cases.compile_fail("tests/compile_fail/wrong_*.rs");
}
