/** The public API. */
export { createEmitter } from './emit/emitter.ts';
export { type AppContext, type AppDefinition, defineApp, type Setup } from './worker/app.ts';
export type { Fleet } from './worker/fleet.ts';
