// look.js PAGE...: opens pages of HTML in Chromium, prints each to PAGE.A4.pdf and PAGE.Letter.pdf with scripts switched
// off, and writes what it saw as a list of JSON: what a page asked for, what axe finds, tables, colours, active parts.
const fs = require('fs');
const puppeteer = require('puppeteer-core');

const inPage = () => ({
  text: document.body.innerText,
  lang: document.documentElement.lang,
  title: document.title,
  active: [...document.querySelectorAll('*')]
    .filter((e) => /^(script|img|iframe|object|embed|link|a|form|base|svg|video|audio)$/i.test(e.tagName) ||
      [...e.attributes].some((a) => /^(on|href|src)/i.test(a.name) || /url\(/i.test(a.value)))
    .map((e) => e.tagName.toLowerCase()),
  colours: [...new Set([...document.querySelectorAll('body, body *')].map((e) => {
    const style = getComputedStyle(e);
    return style.color + ' on ' + style.backgroundColor;
  }))],
  tables: [...document.querySelectorAll('table')].map((t) => ({
    caption: t.caption ? t.caption.innerText : '',
    rows: t.rows.length,
    bare: [...t.rows].flatMap((row, n) => [...row.cells].filter((cell, i) => cell.innerText.trim() === '' ||
      row.cells.length !== t.rows[0].cells.length ||
      (n === 0 ? cell.scope !== 'col' : i === 0 ? cell.scope !== 'row' : cell.tagName !== 'TD'))).map((cell) => cell.innerText),
  })),
  overflows: document.documentElement.scrollWidth > document.documentElement.clientWidth,
});

const look = async (browser, file) => {
  const asked = [], said = [];
  const open = async (scripts) => {
    const page = await browser.newPage();
    page.on('request', (r) => { if (r.url() !== 'file://' + file) asked.push(r.url()); });
    page.on('dialog', (d) => { said.push('dialog: ' + d.message()); d.dismiss(); });
    page.on('console', (m) => said.push('console: ' + m.text()));
    page.on('pageerror', (e) => said.push('error: ' + e.message));
    await page.setJavaScriptEnabled(scripts);
    await page.goto('file://' + file, { waitUntil: 'load' });
    return page;
  };
  const printed = await open(false);
  for (const format of ['A4', 'Letter']) await printed.pdf({ path: `${file}.${format}.pdf`, format });
  const page = await open(true);
  const seen = await page.evaluate(inPage);
  seen.asked = asked.slice(); // before axe comes in
  seen.said = said.slice();
  await page.evaluate(fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  const found = await page.evaluate(() => axe.run());
  seen.faults = found.violations.map((v) => v.id);
  seen.passes = found.passes.map((v) => v.id);
  return seen;
};

(async () => {
  const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  try {
    const all = [];
    for (const file of process.argv.slice(2)) all.push(await look(browser, file));
    console.log(JSON.stringify(all));
  } finally {
    await browser.close();
  }
})().catch((e) => { console.error(e); process.exit(1); });
