import fc from "fast-check";

/**
 * Tests draw the same cases in each run, so that what fails is the change that is tested and not chance. Other cases are
 * drawn by `YARDMASTER_PROPERTY_SEED=N npm test`, and in millions by `npm run fuzz` and `npm run sim`.
 */
const seed = Number(process.env["YARDMASTER_PROPERTY_SEED"] ?? 1);

/**
 * The search for a smaller failure ends: what a kernel does is one call that no limit of the test runner interrupts,
 * and thousands of them can follow a failure.
 */
fc.configureGlobal({ seed, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true });

export default fc;
