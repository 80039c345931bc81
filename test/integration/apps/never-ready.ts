/** An application whose setup waits for something that never comes. */
export default (): Promise<void> => new Promise(() => undefined);
