(fenced_code_block (info_string (language) @language) (code_fence_content) @inject)
(html_block) @inject.html
(minus_metadata) @inject.yaml
(plus_metadata) @inject.toml
(inline) @inject.markdown_inline
(pipe_table_cell) @inject.markdown_inline
