import fc from "fast-check";

/**
 * The search for a smaller failure ends: what a kernel does is one call that no limit of the test runner interrupts,
 * and thousands of them can follow a failure.
 */
fc.configureGlobal({ interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true });

export default fc;
