/** The public API. */

export { missingOf, PartialAnswerError } from './adapter/servers/partial-answer.ts';
export { AppError, type ErrorCode } from './base/errors.ts';
export { type Broadcast, createEmitter, type EmitMessage, type Emitter, type EmitterOptions, type Receipt } from './emit/emitter.ts';
export { type AppContext, type AppDefinition, defineApp, type Setup } from './worker/app.ts';
export type { Fleet } from './worker/fleet.ts';
