#pragma once

namespace retentive::bench {

/// The page's style sheet. Colours of curves are those of Okabe and Ito, darkened or lightened to stand out from the
/// background.
inline constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#57606a;--rule:#d8dee4;--card:#f6f8fa;
--s0:#0068a8;--s1:#c04a00;--s2:#00795a;--s3:#a8427f;--s4:#7a6a00;--s5:#2b7fb0;--s6:#4a4f57;--s7:#8a5a00}
@media (prefers-color-scheme:dark){:root{--bg:#0f141a;--fg:#e4e8ee;--dim:#9aa4b0;--rule:#2b333d;--card:#171e26;
--s0:#56b4e9;--s1:#f08a4b;--s2:#2ec49a;--s3:#e08fc0;--s4:#e5d44a;--s5:#8fc7ea;--s6:#c2c8d0;--s7:#e6a53c}}
@media print{:root{color-scheme:light}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1000px;padding:28px 20px 60px;background:var(--bg);color:var(--fg);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3em}h2{font-size:1.2rem;margin:2.4em 0 .3em}
h3{font-size:1rem;margin:1.6em 0 .4em}p{margin:.5em 0;max-width:46em}
.dim,figcaption{color:var(--dim);font-size:.9rem}
ul{padding-left:1.2em;max-width:46em}li{margin:.25em 0}code{font-size:.85em;overflow-wrap:anywhere}
figure{margin:1em 0;padding:14px 16px 10px;background:var(--card);border:1px solid var(--rule);border-radius:8px}
figure svg{display:block;width:100%;min-width:540px;height:auto}
figcaption{margin-top:.4em}figure h3{margin:0 0 .5em}
.keys{display:none;font-size:.85rem;margin:0 0 .5em}.keys span{margin-right:1em;color:var(--c);font-weight:600}
.keys span::before{content:"";display:inline-block;width:.7em;height:.7em;margin-right:.35em;background:var(--c)}
@media(max-width:640px){.keys{display:block}}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.3em .7em;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap}
th{color:var(--dim);font-weight:600}.r{text-align:right}
details{margin:1em 0}summary{cursor:pointer;font-weight:600}
svg{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg text{fill:var(--fg)}svg .tick{fill:var(--dim);font-size:11.5px}svg .axis{fill:var(--dim);font-size:12px}
svg .label{font-size:12.5px;font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}.roof{stroke:var(--fg);stroke-width:1.6}
.curve{fill:none;stroke:var(--c);stroke-width:2}.dashed{stroke-dasharray:6 3}.spread{stroke:var(--c);stroke-width:1.5}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1}.leader{stroke:var(--c);stroke-width:.8;opacity:.6}
.mark{fill:none;stroke:var(--fg);stroke-width:1.4}.fill{fill:var(--c);stroke:var(--card);stroke-width:1}
.bubble{fill:var(--c);fill-opacity:.45;stroke:var(--c)}svg text.label{fill:var(--c)}
.s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}
.s4{--c:var(--s4)}.s5{--c:var(--s5)}.s6{--c:var(--s6)}.s7{--c:var(--s7)}
)";

}  // namespace retentive::bench
