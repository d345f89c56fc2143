/** The texts of the command line by language (FSB_LANG, else the locale). */
import { en } from './en.ts';
import { zh } from './zh.ts';

export type Messages = typeof en;

/** All texts in one language. */
export function messagesFor(language: 'zh' | 'en'): Messages {
  return language === 'zh' ? zh : en;
}
