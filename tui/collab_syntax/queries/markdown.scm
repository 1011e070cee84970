(code_fence_content) @text.literal
(atx_heading) @text.title
(setext_heading) @text.title
(info_string) @label
[(html_block) (minus_metadata) (plus_metadata)] @comment
(pipe_table_header (pipe_table_cell) @text.strong)
