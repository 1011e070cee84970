(shell_command) @inject.bash
(run_instruction (heredoc_block (heredoc_content) @inject.bash))
